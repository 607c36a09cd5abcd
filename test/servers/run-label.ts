/** Stands on every container and network that a test run makes; its value begins with the process id of the run. */
export const RUN_LABEL = 'keymill.test-run';
