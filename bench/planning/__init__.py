"""What a study will do before it does it: the runs, the data they need, and how long they take here."""
