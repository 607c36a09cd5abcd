/** The label of every container and network of a test run. Its value begins with the run's process id. */
export const RUN_LABEL = 'keymill.test-run';
