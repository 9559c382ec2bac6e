"""Uses the libraries in the given folder (or zip)."""

import ctypes
import sys
import threading

place = sys.argv[1]


def load(name):
    return ctypes.CDLL(f"{place}/{name}.so")


def exceptions():
    catches = load("catches")
    text = ctypes.create_string_buffer(100)
    assert catches.caught(5, text, 100) == 5
    assert catches.caught(-5, text, 100) == -1
    assert text.value == b"negative: -5", text.value
    throws = load("throws")
    assert catches.caught_through(ctypes.cast(throws.always_throws, ctypes.c_void_p)) == 1
    # In a thread that existed before the libraries, and in many threads at once.
    found = []
    threads = [threading.Thread(target=lambda: found.append(catches.caught(-1, ctypes.create_string_buffer(100), 100)))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [-1] * 8, found


def thread_locals():
    ready, loaded, found = threading.Barrier(5), threading.Event(), []

    def count():
        ready.wait(30)
        loaded.wait(30)
        found.append([library.next() for _ in range(3)])

    # These threads exist before the library is loaded, and get its variables, too.
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait(30)
    library = load("locals")
    library.next.restype = library.ended.restype = ctypes.c_long
    loaded.set()
    for thread in threads:
        thread.join()
    assert found == [[4443, 4446, 4449]] * 4, found
    assert library.ended() == 4, library.ended()


def choices():
    library = load("choices")
    assert library.call_choice() == 7
    assert library.foreign_names() == 0
    assert library.python_names() == 1
    whole = ctypes.CDLL(None)
    assert hasattr(whole, "Py_Initialize") and hasattr(whole, "_PyObject_New")
    for name in ("inflate", "SSL_new", "sqlite3_open", "XML_ParserCreate", "ffi_call", "ZSTD_compress"):
        assert not hasattr(whole, name), name


for use in (exceptions, thread_locals, choices):
    use()
    print("works:", use.__name__)
