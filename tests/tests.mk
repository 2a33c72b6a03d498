tests/unit/test_store_SRCS := coordinator/store.c coordinator/store_db.c
