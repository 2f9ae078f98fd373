"""The command: parsing, files, progress and exit codes. Everything else is the library's."""
