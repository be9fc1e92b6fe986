# "make" or "make help" lists what can be made.
KERNEL ?= 6.12

help:
	@echo 'make demo       apt and a hostile program in SEEs on a living machine, a guest'
	@echo 'make check      build and test everything; sets up what it needs'
	@echo '                  CHECK_KERNELS="6.12" narrows to some of 6.12 debug 6.1 7.2'
	@echo '                  TESTS=PATTERN[:CASE] narrows to some selftests'
	@echo 'make check-all  every test on every kernel; goes on where it was interrupted'
	@echo 'make module     seefs.ko in build/KERNEL; KERNEL=6.1, 6.12, 7.2, debug or a header tree'
	@echo 'make setup      packages, guests and kernels that the others need'
	@echo 'make clean      remove build/'

setup:
	@scripts/setup

module:
	@scripts/build-module $(KERNEL)

demo:
	@scripts/demo

check:
	@scripts/check

check-all:
	@scripts/check --all

# The selftests in C, for the guest. Static, so that any guest will do.
MODEL := $(addprefix selftests/,view_model.c model_show.c model_op.c model_phase.c)
LIBRARY := selftests/fingerprint.c
SELFTESTS := $(patsubst selftests/%.c,build/selftests/%,\
	$(filter-out $(MODEL) $(LIBRARY),$(wildcard selftests/*.c)))

selftests: $(SELFTESTS) $(LIBRARY:%.c=build/%.so)

build/selftests/%: selftests/%.c $(wildcard selftests/*.h uapi/linux/*.h)
	@mkdir -p $(@D)
	$(CC) -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -Iuapi -static -pthread -o $@ $(filter %.c,$^)

build/selftests/model_walk: $(MODEL)

build/selftests/%.so: selftests/%.c
	@mkdir -p $(@D)
	$(CC) -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fPIC -shared -o $@ $<

clean:
	rm -rf build

.PHONY: help setup module demo check check-all selftests clean
