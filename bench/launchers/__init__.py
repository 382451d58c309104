"""How runs are executed: in this process, on Ray, or by a launcher of your own."""
