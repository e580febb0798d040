/* The databases' files, in memory: a VFS of SQLite, where a file is opened
 * once at a time and so needs no locks. A copy of a database that is open is
 * what a process leaves that falls now.
 */
#ifndef PINFOLD_SIM_FILES_H
#define PINFOLD_SIM_FILES_H

/* Every database of this process is opened there from now on. */
void files_start(void);
/* With their WALs; what stood at `to` is gone. */
void files_copy(const char *from, const char *to);
void files_move(const char *from, const char *to);
void files_remove(const char *name);

#endif
