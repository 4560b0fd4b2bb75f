"""Swiss cookies: which of them will somebody order who is trying them now?"""
