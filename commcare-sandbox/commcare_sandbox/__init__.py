"""CommCare HQ look-alike server on loopback, for demos, tests and client development."""

from commcare_sandbox.sandbox import Control, Sandbox, SandboxError

__all__ = ["Control", "Sandbox", "SandboxError"]
