"""A run that has ended stays as it ended, whatever a program tries."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION agents_run_stays_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'run % is % and stays so', OLD.id, OLD.status USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER agents_run_stays_ended BEFORE UPDATE OF status ON agents_run
    FOR EACH ROW WHEN (OLD.status IN ('completed', 'failed', 'cancelled') AND OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION agents_run_stays_ended();
"""

BACKWARD = """
DROP TRIGGER agents_run_stays_ended ON agents_run;
DROP FUNCTION agents_run_stays_ended();
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
