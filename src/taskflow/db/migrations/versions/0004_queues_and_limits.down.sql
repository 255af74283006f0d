UPDATE workers SET wanted = 'DRAIN' WHERE wanted = 'STOP';
ALTER TABLE workers DROP CONSTRAINT workers_wanted_check;
ALTER TABLE workers ADD CONSTRAINT workers_wanted_check CHECK (wanted IN ('RUN', 'PAUSE', 'DRAIN'));
UPDATE tasks SET dispatch_key = queue WHERE length(dispatch_key) > 200;
ALTER TABLE tasks ALTER COLUMN dispatch_key TYPE varchar(200);
ALTER TABLE schedules DROP COLUMN dispatch_part;
DROP TABLE dispatch_generation, limits, queues;
