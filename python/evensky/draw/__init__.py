"""Figures, tables and progress bars made of plain numbers."""
