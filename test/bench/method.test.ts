import { expect } from 'chai';
import { array, assert, double, integer, property } from 'fast-check';
import { keySequence } from '../../bench/load/key-sequence.ts';
import { parseWrk } from '../../bench/load/wrk.ts';
import { judgeControl } from '../../bench/method/control.ts';
import { measure, ratioOf } from '../../bench/method/measure.ts';
import { couplesOf, orderOf, pairsOf } from '../../bench/method/order.ts';
import { toPairedRow } from '../../bench/method/paired-row.ts';
import { RenewedArm } from '../../bench/method/renewed-arm.ts';
import { bootstrapOf, trendOf } from '../../bench/method/statistics.ts';
import type { BenchContext } from '../../bench/rows/bench.ts';
import { countCalls } from '../../bench/rows/shorten-takes.ts';
import { judgeMemory, rises } from '../../bench/rows/soak.ts';
import { nginxConfig } from '../../bench/world/bare-nginx.ts';
import { parseStat } from '../../bench/world/cpu.ts';
import { createRandom } from '../../runtime/random.ts';
import { median } from '../../runtime/statistics.ts';

const sequenceOf = (letters: string, values: readonly number[]) =>
  Array.from(letters, (arm, i) => ({ arm, round: Math.floor(i / 2), sample: values[i] ?? 0 }));

describe('bench: order', () => {
  it('two arms come in the order A B B A A B B A', () => {
    const order = [0, 1, 2, 3].flatMap((round) => orderOf(['A', 'B'], round));
    expect(order.join('')).to.equal('ABBAABBA');
  });

  it('pairs the arms of each round, in the given order', () => {
    const sequence = sequenceOf('ABBA', [10, 20, 22, 11]);
    expect(pairsOf(sequence, 'A', 'B')).to.deep.equal([
      [10, 20],
      [11, 22],
    ]);
    expect(() => pairsOf(sequence.slice(0, 3), 'A', 'B')).to.throw('round 1 has no A');
  });

  it('couples consecutive windows of one arm, and reverses every second couple', () => {
    const sequence = sequenceOf('ABBAABBA', [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(couplesOf(sequence)).to.deep.equal([
      [2, 3],
      [5, 4],
      [6, 7],
    ]);
  });

  it('a machine that becomes slower changes neither ratio nor control', () => {
    const rounds = 20;
    let speed = 1_000;
    const sequence = Array.from({ length: rounds }, (_, round) =>
      orderOf(['A', 'B'], round).map((arm) => ({
        arm,
        round,
        sample: (speed *= 0.99) * (arm === 'A' ? 0.5 : 1),
      })),
    ).flat();
    expect(ratioOf(sequence, 'A', 'B', (sample) => sample).ratio).to.be.closeTo(0.5, 0.001);
    const control = judgeControl('throughput', couplesOf(sequence));
    expect(control.ratio).to.be.closeTo(1, 0.011);
    expect(control.holds).to.equal(true);
  });
});

describe('bench: statistics', () => {
  it('the bootstrap interval is within the samples, contains their median, and is repeatable', () => {
    assert(
      property(
        array(double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 12 }),
        (samples) => {
          const [low, high] = bootstrapOf(samples);
          expect(low).to.be.within(Math.min(...samples), median(samples));
          expect(high).to.be.within(median(samples), Math.max(...samples));
          expect(bootstrapOf(samples)).to.deep.equal([low, high]);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('the bootstrap interval covers the true median about 95 times in 100', () => {
    const random = createRandom(7);
    const covered = Array.from({ length: 100 }, () => {
      const [low, high] = bootstrapOf(Array.from({ length: 20 }, () => random() + random()));
      return low <= 1 && 1 <= high;
    }).filter(Boolean).length;
    expect(covered).to.be.within(88, 100);
  }).timeout(60_000);

  it('a trend is the median slope of a line, also with one outlier', () => {
    const line = Array.from({ length: 30 }, (_, i) => 5 + 2 * i);
    expect(trendOf(line)).to.deep.equal({ slope: 2, interval: [2, 2] });
    expect(trendOf(line.with(10, 1e6)).slope).to.be.closeTo(2, 0.01);
  });

  it('the interval of a trend contains zero about 95 times in 100 with noise alone', () => {
    const random = createRandom(3);
    const covered = Array.from({ length: 100 }, () => {
      const [low, high] = trendOf(Array.from({ length: 40 }, () => random())).interval;
      return low <= 0 && 0 <= high;
    }).filter(Boolean).length;
    expect(covered).to.be.within(88, 100);
  });

  it('a rise counts when it is significant and steep enough', () => {
    expect(rises({ slope: 3, interval: [1, 5] }, 2)).to.equal(true);
    expect(rises({ slope: 3, interval: [-1, 5] }, 2)).to.equal(false);
    expect(rises({ slope: 1, interval: [0.5, 2] }, 2)).to.equal(false);
  });

  it('finds a leak of 3 % an hour in readings a minute apart, with noise as large as twelve minutes of it', () => {
    const random = createRandom(1);
    const noise = Array.from({ length: 21 }, () => 100 + random() * 0.6);
    expect(judgeMemory(noise, 60).isFlat).to.equal(true);
    const leaking = noise.map((value, minute) => value + (3 * minute) / 60);
    expect(judgeMemory(leaking, 60).isFlat).to.equal(false);
    expect(judgeMemory(leaking, 60).perHour.slope).to.be.closeTo(3, 1);
  });
});

describe('bench: control', () => {
  for (const [quantity, first, holds] of [
    ['throughput', 1.05, true],
    ['throughput', 1.06, false],
    ['throughput', 0.94, false],
    ['cpu', 1.051, false],
    ['tail', 1.25, true],
    ['tail', 0.74, false],
  ] as const) {
    it(`${quantity} ${first}: ${holds ? 'holds' : 'does not hold'}`, () => {
      expect(judgeControl(quantity, [[first, 1]]).holds).to.equal(holds);
    });
  }

  it('does not hold without couples', () => {
    expect(judgeControl('throughput', []).holds).to.equal(false);
  });

  it('measures once when the control holds: one warm-up window of each, then 20 rounds of 3 s', async () => {
    const lengths: number[] = [];
    const run = async (seconds: number): Promise<number> => lengths.push(seconds) && 1;
    const measurement = await measure<number>(silent(), {
      name: 'x',
      arms: ['A', 'B'].map((name) => ({ name, run })),
      watched: [{ quantity: 'throughput', of: (sample) => sample }],
    });
    expect(lengths).to.deep.equal(Array.from({ length: 42 }, () => 3));
    expect(measurement).to.deep.include({ rounds: 20, seconds: 3, controlHolds: true, attempts: [1] });
  });

  it('renews the server of an arm every seven rounds, with a window that does not count', async () => {
    const events: string[] = [];
    let started = 0;
    const toServer = () => {
      const n = ++started;
      events.push(`start ${n}`);
      return { n, [Symbol.asyncDispose]: async () => void events.push(`stop ${n}`) };
    };
    {
      await using arm = new RenewedArm({
        name: 'A',
        start: async () => toServer(),
        armOf: ({ n }) => ({
          name: 'A',
          run: async (_seconds: number, round: number) => {
            events.push(`${n}: ${round}`);
            return n;
          },
        }),
      });
      for (const round of [-1, 0, 6, 7, 13, 14]) expect(await arm.run(1, round)).to.equal(started);
    }
    expect(events).to.deep.equal(
      [
        ['start 1', '1: -1', '1: -1', '1: 0', '1: 6', 'stop 1'],
        ['start 2', '2: -1', '2: 7', '2: 13', 'stop 2'],
        ['start 3', '3: -1', '3: 14', 'stop 3'],
      ].flat(),
    );
  });

  it('takes the rounds and seconds that the user chose, unless the run is quick', async () => {
    const of = async (quick: boolean) => {
      const arms = ['A', 'B'].map((name) => ({ name, run: async () => 1 }));
      const { rounds, seconds } = await measure<number>(
        { ...silent(), quick, rounds: 30, seconds: 1 },
        { name: 'x', arms, watched: [{ quantity: 'throughput', of: (sample) => sample }] },
      );
      return { rounds, seconds };
    };
    expect(await of(false)).to.deep.equal({ rounds: 30, seconds: 1 });
    expect(await of(true)).to.deep.equal({ rounds: 2, seconds: 1 });
  });

  it('a row whose control never holds has not passed, and gives the reason', async () => {
    const broken = await measure<number>(silent(), {
      name: 'x',
      arms: ['A', 'B'].map((name) => ({ name, run: async () => Number.NaN })),
      watched: [{ quantity: 'throughput', of: (sample) => sample }],
    });
    expect(broken.attempts).to.have.length(3);
    const row = toPairedRow({
      name: 'x',
      unit: 'requests/s',
      measurement: { ...broken, controls: [{ quantity: 'throughput', ratio: 1.2, holds: false }] },
      ours: 'A',
      beside: 'B',
      of: () => 1,
      baseline: 'bare',
      goal: 0.5,
    });
    expect(row).to.include({ ratio: 1, passed: false });
    expect(row.details['reason']).to.equal('the control did not hold, 3 time(s): throughput 1.200');
  });
});

describe('bench: further comparisons', () => {
  const valid = {
    sequence: [0, 1].flatMap((round) => [
      { arm: 'ours', round, sample: 9 },
      { arm: 'first', round, sample: 6 },
      { arm: 'second', round, sample: 10 },
    ]),
    controls: [{ quantity: 'throughput', ratio: 1, holds: true }],
    attempts: [1],
    controlHolds: true,
    rounds: 2,
    seconds: 3,
  } as const;

  for (const [goal, goalOfFurther, passed, reason] of [
    [1.5, 0.9, true, undefined],
    [1.5, 0.95, false, 'its goal beside second was missed'],
    [1.6, 0.9, false, undefined],
    [1.6, 0.95, false, undefined],
  ] as const) {
    it(`1.5 of ${goal} and 0.9 of ${goalOfFurther}: ${passed ? 'passed' : 'not passed'}`, () => {
      const row = toPairedRow<number>({
        name: 'x',
        unit: 'requests/s',
        measurement: valid,
        ours: 'ours',
        beside: 'first',
        of: (sample) => sample,
        baseline: 'the first',
        goal,
        further: [
          {
            label: 'beside second',
            ours: 'ours',
            beside: 'second',
            baseline: 'the second',
            goal: goalOfFurther,
          },
        ],
      });
      expect(row).to.include({ ratio: 1.5, passed });
      expect(row.details['reason']).to.equal(reason);
      const comparison = { label: 'beside second', value: 9, baseline: 'the second', baselineValue: 10 };
      const judged = { ratio: 0.9, goal: goalOfFurther, isReached: goalOfFurther <= 0.9 };
      expect(row.further).to.deep.equal([{ ...comparison, interval: [0.9, 0.9], ...judged }]);
    });
  }
});

describe('bench: the nginx beside a mapper', () => {
  const answerOf = (...headers: string[]) => {
    const raw = ['HTTP/1.1 302 Found', ...headers, 'Content-Length: 0', '', ''].join('\r\n');
    return { status: 302, raw, body: '' };
  };

  it('gets the headers, the location and the keep-alive of the answer, without what it sets itself', () => {
    const answer = answerOf(
      'Location: https://a.example/"x"',
      'X-A: b; c',
      'Date: x',
      'Keep-Alive: timeout=70',
    );
    const config = nginxConfig(answer, 8_123);
    expect(config).to.include(String.raw`return 302 "https://a.example/\"x\"";`);
    expect(config.match(/add_header .*/g)).to.deep.equal(['add_header X-A "b; c";']);
    expect(config).to.include('keepalive_timeout 70s 70s;').and.include('listen 127.0.0.1:8123 ');
  });

  it('refuses a value that nginx would change', () => {
    expect(() => nginxConfig(answerOf('Location: https://a.example/$host'), 1)).to.throw('$host');
  });
});

describe('bench: parsers', () => {
  it("reads wrk's last line", () => {
    const { perSecond, p99Ms, errorAnswers } = parseWrk('Running…\nKEYMILL 3000 2000000 1000 0 500 1500\n');
    expect({ perSecond, p99Ms, errorAnswers }).to.deep.equal({
      perSecond: 1_000,
      p99Ms: 1.5,
      errorAnswers: 1_000,
    });
    expect(() => parseWrk('unable to connect')).to.throw('wrk printed no result');
  });

  it('counts the calls of all Redis commands but INFO', () => {
    const page =
      'cmdstat_lpop:calls=7,usec=1\r\ncmdstat_config|get:calls=3,usec=1\r\ncmdstat_info:calls=99,usec=1\r\n';
    expect(countCalls(page)).to.equal(10);
  });

  it('reads CPU ticks and parent of a process with an awkward name', () => {
    const text = '42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 1 0 100 0 0';
    expect(parseStat(text)).to.deep.equal({ parent: 7, ticks: 175 });
  });

  it('a Zipf sequence has the expected shares', () => {
    const options = { links: 1_000, alpha: 1, unknownShare: 0.05, count: 100_000, seed: 1 };
    const sequence = keySequence(options);
    const share = (of: (index: number) => boolean): number => sequence.filter(of).length / options.count;
    expect(share((index) => index < 0)).to.be.closeTo(0.05, 0.005);
    // The first of a thousand has 1 ÷ H(1000) = 0.1336 of what is known.
    expect(share((index) => index === 0)).to.be.closeTo(0.95 * 0.1336, 0.005);
    assert(
      property(integer({ min: 1, max: 50 }), (links) => {
        const some = keySequence({ links, alpha: 0.7, unknownShare: 0.1, count: 200, seed: links });
        expect(some.every((index) => index >= -links && index < links)).to.equal(true);
      }),
      { numRuns: 20 },
    );
  });
});

function silent(): BenchContext {
  return {
    say: () => undefined,
    progress: () => ({ update: () => undefined, stop: () => undefined }),
    privateCluster: async () => Promise.reject(new Error('no cluster here')),
    quick: false,
    pin: false,
    signal: new AbortController().signal,
  };
}
