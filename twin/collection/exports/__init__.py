"""What people carry away from other programs: archives, and the forms that Notion, Obsidian and Google Docs write."""
