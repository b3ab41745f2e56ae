"""ONNX files of generators, classifiers and update steps, for other programs and for web pages."""
