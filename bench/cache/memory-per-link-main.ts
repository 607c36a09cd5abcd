import { z } from 'zod';
import { serveParent } from '../load/child.ts';
import { measureMemoryPerLink } from './memory-per-link.ts';

/** Runs as a process of its own, because memory of the measuring process must not count. */
serveParent(async (maxBytes) => measureMemoryPerLink(z.number().parse(maxBytes)));
