"""Programs that measure the running system from outside and print figures. They are no tests: run them by hand."""
