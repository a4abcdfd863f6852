"""CommCare HQ look-alike server on loopback, for demonstrations, tests and client authors."""

from commcare_sandbox.sandbox import Control, Sandbox, SandboxError

__all__ = ["Control", "Sandbox", "SandboxError"]
