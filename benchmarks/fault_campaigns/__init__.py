"""Campaigns of faults.py: what each is in, and how many rounds it has by default."""

SIZES = {
    "calls": ("calls", 20_000),
    "differential": ("differential", 2_000),
    "command-lines": ("command_lines", 300),
    "files": ("damage", 5_000),
    "checkpoints": ("damage", 1_000),
    "kills": ("runs", 200),
    "disk-full": ("runs", 1_000),
    "two-processes": ("runs", 20),
}
