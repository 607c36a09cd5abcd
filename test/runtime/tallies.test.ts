import { expect } from 'chai';
import { createMetrics } from '../../runtime/metrics.ts';

describe('tallies and distributions', () => {
  it('appear as Prometheus counters and histograms once something was counted', async () => {
    const metrics = createMetrics();
    const tally = metrics.tally('seen_total', 'Seen', ['kind']);
    const often = tally.series({ kind: 'often' });
    tally.series({ kind: 'never' });
    often.count += 2;
    tally.series({ kind: 'often' }).count += 1;
    const distribution = metrics.distribution('took', 'Took', [1, 10]);
    for (const value of [0.5, 1, 1.5, 10, 11]) distribution.observe(value);
    // Scraping changes nothing.
    for (const text of [await metrics.text(), await metrics.text()]) {
      expect(text).to.contain('# TYPE keymill_seen_total counter\nkeymill_seen_total{kind="often"} 3\n');
      expect(text).not.to.contain('never');
      expect(text).to.contain(
        [
          '# TYPE keymill_took histogram',
          'keymill_took_bucket{le="1"} 2',
          'keymill_took_bucket{le="10"} 4',
          'keymill_took_bucket{le="+Inf"} 5',
          'keymill_took_sum 24',
          'keymill_took_count 5',
        ].join('\n'),
      );
    }
  });
});
