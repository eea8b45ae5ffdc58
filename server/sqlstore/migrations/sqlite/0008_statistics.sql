-- Figures of a large inventory, as ANALYZE would find them: without them SQLite
-- takes a tenant for ten objects, and looks at all of them rather than use the
-- index of types or names.
ANALYZE objects;
DELETE FROM sqlite_stat1 WHERE tbl IN ('objects', 'fragments', 'links', 'external_ids');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('objects', 'objects', '1000000 100000 1'),
	('objects', 'objects_by_name', '1000000 100000 2'),
	('objects', 'objects_by_type', '1000000 100000 2000'),
	('objects', 'objects_by_owner', '1000000 100000 2'),
	('fragments', 'sqlite_autoindex_fragments_1', '5000000 500000 10 1'),
	('fragments', 'fragments_by_name', '5000000 500000 50000 1'),
	('links', 'links', '1000000 100000 20 10 1'),
	('links', 'links_of_child', '1000000 100000 2 2'),
	('external_ids', 'external_ids', '1000000 100000 50000 1'),
	('external_ids', 'external_ids_of_object', '1000000 100000 2');
ANALYZE sqlite_schema;
