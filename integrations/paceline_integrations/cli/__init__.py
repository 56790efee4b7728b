"""The command line: `paceline run`, `paceline demo`, `paceline simulate`."""
