/* PROFILE EXEC of a file pool server: the pool is named in the DMSPARMS and POOLDEF files on this disk */
'SET RDYMSG SMSG'
'FILESERV START'
