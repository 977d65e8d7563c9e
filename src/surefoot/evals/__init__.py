"""Golden sets, metrics and the runners behind `surefoot eval`."""
