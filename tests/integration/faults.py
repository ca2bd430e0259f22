# SPDX-License-Identifier: MIT
"""Arms the shims tests/support/fail-alloc.c and fail-call.c in processes that run."""
import mmap
import os
import struct
import tempfile

from support import BUILD, SANITIZER

INTR, IO, FULL, FILES, MEMORY, LOCKS, RESET = 1, 2, 4, 8, 16, 32, 64
ERRORS = {"EINTR": INTR, "EIO": IO, "ENOSPC": FULL, "EMFILE": FILES, "ENOMEM": MEMORY, "ENOLCK": LOCKS,
          "ECONNRESET": RESET}


class Failing:
    """The words shared with a process started with `environment`: see tests/support/fail.h."""

    def __init__(self, shim):
        self.file = tempfile.NamedTemporaryFile(prefix="sparekey-fail-")
        self.file.truncate(64)
        self.words = mmap.mmap(self.file.fileno(), 64)
        os.chmod(self.file.name, 0o600)
        self.environment = {"LD_PRELOAD": os.path.join(BUILD, shim), "FAIL_CONTROL": self.file.name}
        if SANITIZER:
            # The shim stands before the sanitizer's own functions, which it calls. glibc leaks the name of a locale's
            # character set when memory runs out within setlocale.
            self.suppressions = tempfile.NamedTemporaryFile("w", prefix="sparekey-leaks-", encoding="utf-8")
            self.suppressions.write("leak:_nl_normalize_codeset\n")
            self.suppressions.flush()
            self.environment["LSAN_OPTIONS"] = f"suppressions={self.suppressions.name}:print_suppressions=0"
            self.environment["ASAN_OPTIONS"] = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"),
                                                                      "verify_asan_link_order=0")))

    def arm(self, nth, sticky=False, error=0):
        """The nth call from now fails, and if `sticky` all after it."""
        trace = 1 if "FAIL_TRACE" in os.environ else 0
        self.words[4:64] = struct.pack("=IIII44s", int(sticky), 0, error, trace, b"")
        self.words[0:4] = struct.pack("=I", nth)

    def disarm(self):
        """What has failed, by name, or None."""
        self.words[0:4] = struct.pack("=I", 0)
        met, = struct.unpack("=I", self.words[8:12])
        return self.words[20:64].split(b"\0")[0].decode() if met else None

    def close(self):
        self.words.close()
        self.file.close()
