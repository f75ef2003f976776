"""From a page of HTML, PDF or Word to markdown: blocks are read, the article is selected among them, and rendered."""
