#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Loads the library into an interpreter, picks from threads, unloads it, and loads it again.

    load.py LIBRARY

What goes wrong there or nowhere: thread-local state that finds no room in a process that has long begun;
a thread that ends after dlclose() and then runs the library's exit handler; the default runtime's
thread, which runs on in it. Hence -z nodelete.
"""
import _ctypes
import ctypes
import sys
import threading

FO_OK = 0
FO_OUTCOME_SUCCESS = 1
PICKS = 1000


class Lease(ctypes.Structure):
    """A fo_lease is 64 bytes for ever."""

    _fields_ = [("words", ctypes.c_uint64 * 8)]


class EndpointConfig(ctypes.Structure):
    """As an older header would have it: what is not here has its default."""

    _fields_ = [("size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("max_weight", ctypes.c_double)]


def expect(holds, what):
    if not holds:
        sys.exit(f"load.py: {what}")


def pick(library, balancer):
    for _ in range(PICKS):
        lease = Lease()
        expect(library.fo_pick(balancer, ctypes.byref(lease)) == FO_OK, "fo_pick")
        expect(library.fo_finish(ctypes.byref(lease), FO_OUTCOME_SUCCESS) == FO_OK, "fo_finish")


def start(library):
    """A balancer on the default runtime, whose thread starts with it."""
    balancer = ctypes.c_void_p()
    servers = (EndpointConfig * 2)(*(EndpointConfig(ctypes.sizeof(EndpointConfig), name, 100)
                                     for name in (b"a", b"b")))
    expect(library.fo_balancer_create(None, ctypes.byref(balancer)) == FO_OK, "fo_balancer_create")
    expect(library.fo_balancer_update(balancer, servers, ctypes.c_size_t(2), None,
                                      ctypes.c_size_t(0), None) == FO_OK, "fo_balancer_update")
    return balancer


def pick_and_linger(library, balancer, picked, unloaded):
    pick(library, balancer)
    picked.wait()
    unloaded.wait()


def load_and_unload(path):
    library = ctypes.CDLL(path)
    picked = threading.Barrier(5)
    unloaded = threading.Event()
    balancer = start(library)
    threads = [threading.Thread(target=pick_and_linger, args=(library, balancer, picked, unloaded))
               for _ in range(4)]
    for thread in threads:
        thread.start()
    picked.wait(60)
    library.fo_balancer_destroy(balancer)
    _ctypes.dlclose(library._handle)
    unloaded.set()
    for thread in threads:
        thread.join()  # Each has run the exit handler of a library that is unloaded.


def main():
    for _ in range(3):
        load_and_unload(sys.argv[1])
    version = ctypes.CDLL(sys.argv[1]).fo_version()
    expect(version != 0, "fo_version")


main()
