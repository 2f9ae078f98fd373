"""Any GGUF, predicted by llama.cpp: for models that the exact engine does not know.

llama.cpp computes in floats, whose last digits depend on how it was compiled and for what
processor. So a file made this way names that build, is verified when it is made, and is refused
by every other build. Nothing takes this way unless asked to.
"""
