#include "evensky/background.hpp"

#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <variant>

#include "arrays.hpp"
#include "initialised.hpp"
#include "module.hpp"

namespace evensky::python {

namespace {

using Style = std::variant<Interpolate::Style, std::string>;
using Undersample = std::variant<UndersampleStyle, std::string>;
using Prop = std::variant<Property, std::string>;
using Sctrl = std::shared_ptr<StatisticsControl>;
using Actrl = std::shared_ptr<ApproximateControl>;

template <typename Enum, typename FromString>
Enum resolve(std::variant<Enum, std::string> const& value, FromString const& fromString) {
    if (auto const* const text = std::get_if<std::string>(&value)) return fromString(*text);
    return std::get<Enum>(value);
}

Interpolate::Style styleOf(Style const& style) { return resolve(style, &stringToInterpStyle); }
UndersampleStyle undersampleOf(Undersample const& style) { return resolve(style, &stringToUndersampleStyle); }
Property propertyOf(Prop const& prop) { return resolve(prop, &stringToStatisticsProperty); }

BackgroundControl makeControl(Style const& style, int nxSample, int nySample, Undersample const& undersampleStyle,
                              Sctrl const& sctrl, Prop const& prop, Actrl const& actrl) {
    return {styleOf(style), nxSample, nySample, undersampleOf(undersampleStyle), sctrl, propertyOf(prop), actrl};
}

py::tuple controlState(BackgroundControl const& bctrl) {
    return py::make_tuple(bctrl.getInterpStyle(), bctrl.getNxSample(), bctrl.getNySample(), bctrl.getUndersampleStyle(),
                          bctrl.getStatisticsControl(), bctrl.getStatisticsProperty(), bctrl.getApproximateControl());
}

BackgroundControl controlFromState(py::tuple const& state) {
    checkState(state, 7, "a BackgroundControl");
    return {stateValue<Interpolate::Style>(state, 0),
            stateValue<int>(state, 1),
            stateValue<int>(state, 2),
            stateValue<UndersampleStyle>(state, 3),
            stateValue<Sctrl>(state, 4),
            stateValue<Property>(state, 5),
            stateValue<Actrl>(state, 6)};
}

template <typename T>
py::array_t<T> gridArray(py::object const& self, ImageView<T> const& view) {
    constexpr auto itemsize = static_cast<py::ssize_t>(sizeof(T));
    return py::array_t<T>({view.height(), view.width()}, {view.strideY() * itemsize, view.strideX() * itemsize},
                          view.data(), self);
}

}  // namespace

void declareBackground(py::module_& module) {
    py::native_enum<UndersampleStyle>(module, "UndersampleStyle", "enum.IntEnum")
            .value("THROW_EXCEPTION", THROW_EXCEPTION)
            .value("REDUCE_INTERP_ORDER", REDUCE_INTERP_ORDER)
            .value("INCREASE_NXNYSAMPLE", INCREASE_NXNYSAMPLE)
            .export_values()
            .finalize();
    module.def("stringToUndersampleStyle", &stringToUndersampleStyle, py::arg("style"));

    // The overload that starts with a style must come first, because a style is also an int.
    py::class_<BackgroundControl, std::shared_ptr<BackgroundControl>> control(module, "BackgroundControl",
                                                                              InitialisedOnly{});
    control.def(py::init(&makeControl), py::arg("style"), py::arg("nxSample") = 10, py::arg("nySample") = 10,
                py::arg("undersampleStyle") = THROW_EXCEPTION, py::arg("sctrl") = py::none(),
                py::arg("prop") = MEANCLIP, py::arg("actrl") = py::none())
            .def(py::init([](int nxSample, int nySample, Sctrl const& sctrl, Prop const& prop, Actrl const& actrl) {
                     return makeControl(Interpolate::AKIMA_SPLINE, nxSample, nySample, THROW_EXCEPTION, sctrl, prop,
                                        actrl);
                 }),
                 py::arg("nxSample") = 10, py::arg("nySample") = 10, py::arg("sctrl") = py::none(),
                 py::arg("prop") = MEANCLIP, py::arg("actrl") = py::none())
            .def("getInterpStyle", &BackgroundControl::getInterpStyle)
            .def("getNxSample", &BackgroundControl::getNxSample)
            .def("getNySample", &BackgroundControl::getNySample)
            .def("getUndersampleStyle", &BackgroundControl::getUndersampleStyle)
            .def("getStatisticsControl", [](BackgroundControl const& self) { return self.getStatisticsControl(); })
            .def("getStatisticsProperty", &BackgroundControl::getStatisticsProperty)
            .def("getApproximateControl", [](BackgroundControl const& self) { return self.getApproximateControl(); })
            .def(
                    "setInterpStyle",
                    [](BackgroundControl& self, Style const& style) { self.setInterpStyle(styleOf(style)); },
                    py::arg("style"))
            .def("setNxSample", &BackgroundControl::setNxSample, py::arg("nxSample"))
            .def("setNySample", &BackgroundControl::setNySample, py::arg("nySample"))
            .def(
                    "setUndersampleStyle",
                    [](BackgroundControl& self, Undersample const& style) {
                        self.setUndersampleStyle(undersampleOf(style));
                    },
                    py::arg("undersampleStyle"))
            .def(
                    "setStatisticsProperty",
                    [](BackgroundControl& self, Prop const& prop) { self.setStatisticsProperty(propertyOf(prop)); },
                    py::arg("prop"))
            .def(
                    "setStatisticsControl",
                    [](BackgroundControl& self, Sctrl const& sctrl) { self.setStatisticsControl(sctrl); },
                    py::arg("sctrl"))
            .def(
                    "setApproximateControl",
                    [](BackgroundControl& self, Actrl const& actrl) { self.setApproximateControl(actrl); },
                    py::arg("actrl"))
            .def("__copy__", [](BackgroundControl const& self) { return BackgroundControl(self); })
            .def("__repr__", [](BackgroundControl const& self) {
                return py::str("BackgroundControl({}, nxSample={}, nySample={}, undersampleStyle={}, sctrl={}, "
                               "prop={}, actrl={})")
                        .format(py::getattr(py::cast(self.getInterpStyle()), "name"), self.getNxSample(),
                                self.getNySample(), py::getattr(py::cast(self.getUndersampleStyle()), "name"),
                                self.getStatisticsControl(),
                                py::getattr(py::cast(self.getStatisticsProperty()), "name"),
                                self.getApproximateControl());
            });
    definePickle(control, &controlState, &controlFromState);

    py::class_<AsUsed>(module, "AsUsed", InitialisedOnly{})
            .def(py::init([](Interpolate::Style interpStyle, UndersampleStyle undersampleStyle) {
                     return AsUsed{interpStyle, undersampleStyle};
                 }),
                 py::arg("interpStyle") = Interpolate::UNKNOWN, py::arg("undersampleStyle") = THROW_EXCEPTION)
            .def_readonly("interpStyle", &AsUsed::interpStyle)
            .def_readonly("undersampleStyle", &AsUsed::undersampleStyle);

    py::class_<Background, std::shared_ptr<Background>>(module, "Background", InitialisedOnly{})
            .def(py::init([](py::array const& image, std::optional<py::array> const& mask,
                             std::optional<py::array> const& variance, std::int64_t x0, std::int64_t y0,
                             BackgroundControl bctrl, int num_threads, int bzero) {
                     // Other threads may change the controls while the GIL is released, so the measurement uses a copy.
                     // The background then keeps the control that was given.
                     auto const given = bctrl.getStatisticsControl();
                     bctrl.setStatisticsControl(std::make_shared<StatisticsControl>(*given));
                     StoredPlanes const planes(image, mask, variance, "", bzero);
                     auto const background = [&] {
                         py::gil_scoped_release const release;
                         return std::make_shared<Background>(planes.image(), x0, y0, bctrl, num_threads);
                     }();
                     background->getBackgroundControl()->setStatisticsControl(given);
                     return background;
                 }),
                 py::arg("image"), py::arg("mask"), py::arg("variance"), py::arg("x0"), py::arg("y0"), py::arg("bctrl"),
                 py::arg("num_threads") = 0, py::arg("bzero") = 0)
            .def(py::init([](std::array<std::int64_t, 4> const& imageBBox, py::array const& image,
                             std::optional<py::array> const& mask, std::optional<py::array> const& variance,
                             std::shared_ptr<BackgroundControl> const& bctrl) {
                     InputPlane<float> const values(image, "The image");
                     InputPlane<MaskPixel> const maskPlane(mask, "The mask");
                     InputPlane<float> const errors(variance, "The variance");
                     MaskedImageView<float const> const grid(values.view(), maskPlane.view(), errors.view());
                     return bctrl ? std::make_shared<Background>(toBox(imageBBox), grid, *bctrl)
                                  : std::make_shared<Background>(toBox(imageBBox), grid);
                 }),
                 py::arg("imageBBox"), py::arg("image"), py::arg("mask"), py::arg("variance"),
                 py::arg("bctrl") = py::none())
            .def(
                    "get_image",
                    [](Background const& self, py::array out, std::array<std::int64_t, 4> const& bbox,
                       std::optional<Interpolate::Style> interpStyle, std::optional<UndersampleStyle> undersampleStyle,
                       int num_threads) {
                        return dispatchFloating(out, [&]<typename T>(T) {
                            auto const view = outputPlane<T>(out, "The output image");
                            auto bctrl = *self.getBackgroundControl();  // a copy, as other threads may change it
                            bctrl.setApproximateControl(bctrl.getApproximateControl());
                            if (interpStyle) bctrl.setInterpStyle(*interpStyle);
                            if (undersampleStyle) bctrl.setUndersampleStyle(*undersampleStyle);
                            py::gil_scoped_release const release;
                            return self.getImage(view, toBox(bbox), bctrl, num_threads);
                        });
                    },
                    py::arg("out"), py::arg("bbox"), py::arg("interpStyle") = py::none(),
                    py::arg("undersampleStyle") = py::none(), py::arg("num_threads") = 0)
            .def(
                    "get_approximate",
                    [](Background const& self, ApproximateControl actrl) {
                        py::gil_scoped_release const release;
                        return std::make_shared<Approximate>(self.getApproximate(actrl));
                    },
                    py::arg("actrl"))
            .def("get_stats_planes",
                 [](py::object self) {
                     auto const grid = self.cast<Background&>().statsImage();
                     return py::make_tuple(gridArray(self, grid.image), gridArray(self, grid.mask),
                                           gridArray(self, grid.variance));
                 })
            .def("get_image_bbox", [](Background const& self) { return fromBox(self.getImageBBox()); })
            .def("getBinCentersX", [](Background const& self) { return toArray(self.getBinCentersX()); })
            .def("getBinCentersY", [](Background const& self) { return toArray(self.getBinCentersY()); })
            .def("getBackgroundControl", [](Background const& self) { return self.getBackgroundControl(); })
            .def("add", [](Background& self, float delta) { self += delta; }, py::arg("delta"));
}

}  // namespace evensky::python
