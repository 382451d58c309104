"""What a study is going to do: its runs, the data that they need, and how long they will take."""
