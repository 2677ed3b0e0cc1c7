pytest_plugins = ["parity_tests.plugin"]
