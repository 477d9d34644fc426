"""A process that dies at any of its steps that change the disk."""

import os

STEPS = ("open", "fsync", "replace", "rename", "unlink", "rmdir", "mkdir")


class KilledError(BaseException):
    """The process is dead."""


class Stream:
    """A file of which a killed process has written the first half."""

    def __init__(self, stream, step):
        self.stream, self.step = stream, step

    def write(self, content):
        self.stream.write(content[: len(content) // 2])
        self.stream.flush()
        self.step("write")
        self.stream.write(content[len(content) // 2 :])

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()


class Disk:
    """Ends a process at its n-th step that changes the disk; a dead process changes nothing any more."""

    def __init__(self, monkeypatch, last, steps=(*STEPS, "write"), failure=KilledError):
        self.taken, self.last, self.steps, self.failure = 0, last, steps, failure
        for name in STEPS:
            monkeypatch.setattr(os, name, self.watched(name, getattr(os, name)))
        fdopen = os.fdopen
        monkeypatch.setattr(os, "fdopen", lambda *given, **options: Stream(fdopen(*given, **options), self.step))

    def step(self, name):
        if self.failure is KilledError and self.ended:
            raise KilledError
        if name in self.steps:
            self.taken += 1
            if self.taken == self.last:
                raise self.failure

    def watched(self, name, step):
        def take(*given, **options):
            if name != "open" or (len(given) > 1 and given[1] & os.O_CREAT):
                self.step(name)
            return step(*given, **options)

        return take

    @property
    def ended(self):
        return self.taken >= self.last
