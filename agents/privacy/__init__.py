"""What is kept of people, and for how long: retention by rules, and export or erasure of one identity's data."""
