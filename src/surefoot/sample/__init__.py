"""The bundled sample tenant that `surefoot demo` runs on."""
