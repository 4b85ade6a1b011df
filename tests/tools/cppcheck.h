/* For cppcheck alone (make lint-cppcheck), which reads no header of a library: a macro that is a loop. */
#define nla_for_each_nested(pos, of, rem) for ((pos) = (of), (rem) = 0; (rem) == 0; (rem)++)
