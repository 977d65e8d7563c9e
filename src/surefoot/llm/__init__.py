"""Language models behind one door: which ones there are, what they are told, and how a call is made to end well."""
