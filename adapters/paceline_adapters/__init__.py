"""One module per framework; each wraps that framework's own objects as Paceline executors."""
