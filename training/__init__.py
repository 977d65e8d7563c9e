"""Builds the shipped models from data; never imported by the package."""

import os

# As in surefoot.adapters.onnx_session: onnxruntime reports usage to its maker unless told not to before it is loaded.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
