"""The judge: is the new version worse than the old one that runs beside it?"""
