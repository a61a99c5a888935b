"""Addresses of Python's buffers, read-only ones too, for what is called without a copy."""

from __future__ import annotations

import ctypes
from typing import Final


class PyBuffer(ctypes.Structure):
    """Python's own description of a buffer (Py_buffer): the only way to the address of a read-only one."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


SIMPLE: Final = 0
"""Ask for contiguous bytes; an object that cannot raises BufferError."""

get_buffer = ctypes.pythonapi.PyObject_GetBuffer
"""(object, PyBuffer, flags): fills the PyBuffer; the memory stays until `release_buffer`."""
get_buffer.argtypes = [ctypes.py_object, ctypes.POINTER(PyBuffer), ctypes.c_int]

release_buffer = ctypes.pythonapi.PyBuffer_Release
"""(PyBuffer): give it back."""
release_buffer.argtypes = [ctypes.POINTER(PyBuffer)]
release_buffer.restype = None
