"""What stands around the core: the command line, the provider simulator, traces and stores."""
