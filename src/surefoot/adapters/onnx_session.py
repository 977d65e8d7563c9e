"""How every shipped model runs on onnxruntime."""

import onnxruntime


def open_session(model: bytes) -> onnxruntime.InferenceSession:
    """The model ready to run, one thread per call: several calls at once share the cores better than one call splits them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
