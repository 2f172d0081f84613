"""The file system that calls see: Python and its libraries, read-only, a few devices, and a place for scratch."""

import os

from . import kernel
from .protocol import DEVICES

SCRATCH = "/scratch"
_NEW_ROOT = "/proc"
"""Where the new root is put together. Every Linux has it, and nothing that is wanted lies in it."""
_LIBRARIES_ARE = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
_DEVICES_ARE = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID
_SCRATCH_IS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC


def enter(readable: tuple[str, ...]) -> None:
    """For a process in a mount namespace of its own. There is no /proc and no /sys in the new root."""
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", _NEW_ROOT, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")
    for path in readable:
        _bind(path, _LIBRARIES_ARE)
    for path in DEVICES:
        _bind(path, _DEVICES_ARE)
    os.mkdir(_NEW_ROOT + SCRATCH, 0o755)
    kernel.restrict_mount(_NEW_ROOT, kernel.MOUNT_ATTR_RDONLY, recursive=False)
    kernel.pivot_to(_NEW_ROOT)


def mount_scratch(size: int, files: int) -> None:
    kernel.mount("tmpfs", SCRATCH, "tmpfs", _SCRATCH_IS, f"size={size},nr_inodes={files},mode=700")


def _bind(path: str, attributes: int) -> None:
    target = _NEW_ROOT + path
    if os.path.isdir(path):
        os.makedirs(target, 0o755, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(path, target, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.restrict_mount(target, attributes)


def remove_tree(folder: str) -> None:
    """Removes a folder that a hostile call has filled: neither its depth nor its modes stop this.

    What is deep is first moved up, so that nothing recurses. Symbolic links are never followed.
    """
    moved = 0
    while True:
        folders = [entry.path for entry in _emptied(folder)]
        if not folders:
            break
        for path in folders:
            for inner in _emptied(path):
                moved += 1
                os.chmod(inner.path, 0o700)  # renaming a folder needs the right to write to it
                os.rename(inner.path, f"{folder}/moved-by-removal-{moved}")
            os.rmdir(path)
    os.rmdir(folder)


def _emptied(folder: str) -> list[os.DirEntry[str]]:
    """Removes the files of a folder; returns its folders."""
    os.chmod(folder, 0o700)
    with os.scandir(folder) as entries:
        found = list(entries)
    folders = [entry for entry in found if entry.is_dir(follow_symlinks=False)]
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
    return folders
