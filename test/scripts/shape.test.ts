import { expect } from 'chai';
import { ALL_SLOTS, parseSlots, SLOT_COUNT } from '../../runtime/config/slots.ts';
import { UsageError } from '../../runtime/terminal/errors.ts';
import {
  DEFAULT_SHAPE,
  mysqlServersOf,
  otherNumbers,
  refuseWhileGrowing,
  resolveShape,
  SMALL_SHAPE,
} from '../../scripts/cluster/shape.ts';

const NOTHING = {
  small: false,
  keysDbs: undefined,
  redis: undefined,
  zookeepers: undefined,
  mysqlServers: undefined,
};

describe('otherNumbers', () => {
  it('are those that differ from the shape, as options', () => {
    expect(
      otherNumbers({ ...NOTHING, redis: 6, keysDbs: DEFAULT_SHAPE.keysDbs }, DEFAULT_SHAPE),
    ).to.deep.equal(['--redis 6']);
  });
});

describe('mysqlServersOf', () => {
  it('gives one server to the keys, and one to each half of the slots', () => {
    expect(mysqlServersOf(3)).to.deep.equal([
      { name: 'mysql-keys', slots: undefined, isKeysServer: true },
      { name: 'urls-1', slots: '0-15', isKeysServer: false },
      { name: 'urls-2', slots: '16-31', isKeysServer: false },
    ]);
  });

  it('puts everything on a single server', () => {
    expect(mysqlServersOf(1)).to.deep.equal([{ name: 'mysql-1', slots: '0-31', isKeysServer: true }]);
  });

  it('assigns every slot exactly once, for any number of servers', () => {
    for (let count = 1; count <= SLOT_COUNT + 1; count++) {
      const slots = mysqlServersOf(count).flatMap((server) =>
        server.slots === undefined ? [] : parseSlots(server.slots),
      );
      expect(slots, `${count} servers`).to.deep.equal(ALL_SLOTS);
    }
  });
});

describe('resolveShape', () => {
  const existing = { shape: DEFAULT_SHAPE, isEstablished: true };

  it('takes the wanted number, else the existing one, else the default', () => {
    expect(resolveShape({ ...NOTHING, redis: 2 }, undefined)).to.deep.equal({ ...DEFAULT_SHAPE, redis: 2 });
    const small = { ...DEFAULT_SHAPE, keysDbs: 1 };
    expect(resolveShape(NOTHING, { ...existing, shape: small })).to.deep.equal(small);
  });

  it('with data, refuses to re-map slots, to resize the ensemble and to remove keys-dbs', () => {
    const wanted = { ...NOTHING, mysqlServers: 1, zookeepers: 1, keysDbs: 2 };
    expect(() => resolveShape(wanted, existing))
      .to.throw(/--mysql-servers 1: the data here is on 3/)
      .with.property('message')
      .that.matches(/--zookeepers 1/)
      .and.matches(/--keys-dbs 2/);
  });

  it('without data, takes any shape', () => {
    const wanted = { ...NOTHING, mysqlServers: 1, zookeepers: 1, keysDbs: 2 };
    expect(resolveShape(wanted, { ...existing, isEstablished: false })).to.include({
      mysqlServers: 1,
      keysDbs: 2,
    });
  });

  it('adds keys-dbs and adds or removes Redis servers at any time', () => {
    expect(resolveShape({ ...NOTHING, keysDbs: 6, redis: 2 }, existing)).to.include({ keysDbs: 6, redis: 2 });
  });
});

describe('the shape of a small cluster', () => {
  const small = { shape: SMALL_SHAPE, isEstablished: true };

  it('is that of --small, and stays without the option', () => {
    expect(resolveShape({ ...NOTHING, small: true }, undefined)).to.deep.equal(SMALL_SHAPE);
    expect(resolveShape({ ...NOTHING, small: true }, small)).to.deep.equal(SMALL_SHAPE);
    expect(resolveShape(NOTHING, small)).to.deep.equal(SMALL_SHAPE);
  });

  it('is refused where a full cluster has data, and taken where it has none', () => {
    const full = { shape: DEFAULT_SHAPE, isEstablished: true };
    expect(() => resolveShape({ ...NOTHING, small: true }, full)).to.throw(
      UsageError,
      /--small: .* full one/,
    );
    expect(resolveShape({ ...NOTHING, small: true }, { ...full, isEstablished: false })).to.deep.equal(
      SMALL_SHAPE,
    );
  });

  it('refuses the numbers of a full one, and names the way to it', () => {
    expect(() => resolveShape({ ...NOTHING, zookeepers: 3, redis: 2 }, small)).to.throw(
      UsageError,
      /--redis, --zookeepers: .*keymill grow/,
    );
  });
});

describe('the numbers of a cluster that grows', () => {
  const given = { producers: undefined, keysDbs: undefined, redis: undefined };

  it('change only by its steps, until it is a full one', () => {
    const growing = { ...SMALL_SHAPE, zookeepers: 3 };
    for (const [option, wanted] of [
      ['--producers', { ...given, producers: 3 }],
      ['--keys-dbs', { ...given, keysDbs: 4 }],
      ['--redis', { ...given, redis: 4 }],
    ] as const)
      expect(() => refuseWhileGrowing(wanted, growing)).to.throw(`${option}: the cluster here is growing`);
    refuseWhileGrowing(given, growing);
    // A small one has a reason of its own.
    refuseWhileGrowing({ ...given, producers: 3 }, SMALL_SHAPE);
  });
});
