"""A network as files that other programs run: an ONNX graph, its smaller copies, torch's recorded program, LiteRT."""
