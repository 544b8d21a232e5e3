"""Runs a teacher's own nbgrader notebook in a kernel, as nbgrader does, but with the kernel in a sandbox."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from nbgrader.preprocessors import Execute
from traitlets import Bool, Unicode

from autograder.sandbox import bubblewrap, launcher


class SandboxedKernels(AsyncKernelManager):
    """Starts the kernel in bubblewrap: no network, a read-only system, and one folder to write in."""

    place = Unicode(help="The folder that the kernel may write to.")

    def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
        command = super().format_kernel_cmd(extra_arguments)
        return bubblewrap.kernel_profile(self.place) + command

    async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
        kept = {key: value for key, value in kw["env"].items() if key in ("PATH", "LANG", "TZ", "NBGRADER_EXECUTION")}
        kw["env"] = {**kept, "HOME": self.place, "TMPDIR": self.place, "IPYTHONDIR": self.place}
        return await super()._async_launch_kernel(kernel_cmd, **kw)


class SandboxedExecute(Execute):
    """nbgrader's step; with ``sandboxed`` the kernel sees a copy of the submission's folder, and none of the course's other files."""

    sandboxed = Bool(False)

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        if not self.sandboxed:
            return super().preprocess(notebook, resources)
        # it contains the kernel's sockets
        folder = launcher.socket_folder(50)
        with tempfile.TemporaryDirectory(prefix="course-kernel-", dir=folder, ignore_cleanup_errors=True) as place:
            work = Path(place) / "work"
            shutil.copytree(resources["metadata"]["path"], work, symlinks=True)
            shutil.rmtree(work / ".ipynb_checkpoints", ignore_errors=True)
            for file in work.glob("*.ipynb"):
                file.chmod(0o600)
                file.unlink()  # including the one with the tests
            resources["metadata"]["path"], kept = str(work), resources["metadata"]["path"]
            self.kernel_manager_class = SandboxedKernels
            self.config.SandboxedKernels.place = place
            self.config.SandboxedKernels.transport = "ipc"
            try:
                return super().preprocess(notebook, resources)
            finally:
                resources["metadata"]["path"] = kept

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        if self.sandboxed:
            manager.place = self.config.SandboxedKernels.place
            manager.transport = "ipc"
            manager.ip = str(Path(manager.place, "kernel"))
            manager.connection_file = str(Path(manager.place, "connection.json"))
        return manager
