"""Networks in OpenVINO's form (IR, versions 10 and 11: an .xml of layers beside a .bin of weights), read as ONNX."""
