"""How every shipped model runs on onnxruntime, which here reports to nobody."""

import os

# Since 1.29 the official builds send usage to their maker, from a queue in the user's cache folder, unless this is set before
# the library is loaded. Surefoot promises to call nobody, so it is set whatever it was.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """The model ready to run, one thread per call: several calls at once share the cores better than one call splits them."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
