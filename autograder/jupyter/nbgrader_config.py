# Read by the Validate button. Its kernel would warn about unencrypted TCP on the learner's terminal otherwise.
c = get_config()  # noqa: F821
c.KernelManager.transport_encryption = "auto"
