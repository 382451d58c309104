"""Raw scans: facts about datasets, their download, and checks of a folder of scans."""
