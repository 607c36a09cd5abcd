import { z } from 'zod';
import { serveParent } from '../load/child.ts';
import { measureMemoryPerLink } from './memory-per-link.ts';

/** A process of its own: what else the measuring process keeps or lets go of must not count. */
serveParent(async (maxBytes) => measureMemoryPerLink(z.number().parse(maxBytes)));
