/** How much slower than usual the machine is that tests run on: an emulated one is, and every wait is longer. */
export const slowness = Number(process.env['FAIRLEAD_TEST_SLOWNESS'] ?? '1');
